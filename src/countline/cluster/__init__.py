"""Sources spread over several processes or machines."""

"""What each command of the command line does, free of parsing: options in, exit code out."""

"""Log lines and the status line: what an operator sees."""

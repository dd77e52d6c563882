"""Other systems' files, engines and payloads, each in a package of its own."""

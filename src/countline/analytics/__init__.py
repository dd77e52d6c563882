"""Rules on tracks: two engines behind one protocol, :class:`countline.protocols.RuleSet`. Pure: NumPy only,
no I/O, no clock, no threads."""

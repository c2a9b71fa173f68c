"""What the farm is: pure facts and rules. No I/O, no clock, no framework."""

"""Changes: who waits for the records to change is woken."""

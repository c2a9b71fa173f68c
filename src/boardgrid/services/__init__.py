"""What people may ask of the farm: one method a use case."""

"""What people look at: overlay, annotated video."""

"""History requests and the frames that they return."""

"""The model that is used wherever none is configured: trained from the project's own data in about two minutes."""

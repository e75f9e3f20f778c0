"""What people who decide ask of a fit: people of 1000, days, zones, certainty, the worth of knowing more."""

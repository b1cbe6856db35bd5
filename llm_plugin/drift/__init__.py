"""Has the market, or the worth of the model's decisions, changed? Three detectors with a known rate of false alarms."""

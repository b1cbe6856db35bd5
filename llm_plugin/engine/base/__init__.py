"""What everything else stands on: names in both spellings, enumerations, exact numbers, time, small .NET classes."""

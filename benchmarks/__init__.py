"""How fast tfkit is, each figure beside what it is measured against: ``make bench``."""

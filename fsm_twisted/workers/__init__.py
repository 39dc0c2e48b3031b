"""Worker processes: a nursery forks them, a fleet of them obeys the master."""

"""What a command does, where that needs heavy libraries: imported when the command runs."""

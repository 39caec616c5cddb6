"""What happens at stages without anybody asking: time that is over, and items that somebody has waited for."""

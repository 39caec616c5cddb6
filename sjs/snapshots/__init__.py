"""Trees of files by their contents: kept alike by clients, who take them, and on machines, where jobs run in them."""

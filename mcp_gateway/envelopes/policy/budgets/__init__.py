"""How much: budgets over calendar windows, of which a part is held back before anything is spent."""

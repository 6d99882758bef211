"""How often: rates, the pools in which calls are counted, and the stage that asks them."""

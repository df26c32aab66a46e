"""What wallets are paid: a day's income, the price level it is indexed by, and what impact earns."""

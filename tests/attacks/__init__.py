"""The market, tried as an attacker would: each test says what an attack gains."""

-- A bid that came alone kept its number as its id only; from now on each series keeps its own.

UPDATE number_series SET last_number = MAX(last_number, (SELECT COALESCE(MAX(id), 0) FROM compute_auction_bids))
WHERE series = 'bid_numbers';

-- name: draw_numbers
-- Take the next numbers of a series and return the last of them. A bid that came alone keeps its number as its id only.
UPDATE number_series SET last_number = MAX(last_number, CASE WHEN series = 'bid_numbers'
    THEN (SELECT COALESCE(MAX(id), 0) FROM compute_auction_bids) ELSE 0 END) + :count
WHERE series = :series RETURNING last_number;

-- name: note_numbers!
-- Never draw this number, or a smaller one, again.
UPDATE number_series SET last_number = MAX(last_number, :last) WHERE series = :series;

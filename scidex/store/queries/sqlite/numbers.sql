-- name: draw_numbers
-- Take the next numbers of a series and return the last of them.
UPDATE number_series SET last_number = last_number + :count WHERE series = :series RETURNING last_number;

-- name: note_numbers!
-- Never draw this number, or a smaller one, again.
UPDATE number_series SET last_number = MAX(last_number, :last) WHERE series = :series;

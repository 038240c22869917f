package pgstore

// RecountPages makes a page of counting so many rows, until the function that it
// returns is called.
func RecountPages(rows int) (back func()) {
	before := recountPage
	recountPage = rows
	return func() { recountPage = before }
}

// Fold is [fold].
var Fold = fold

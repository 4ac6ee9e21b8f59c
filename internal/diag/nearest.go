package diag

import "strings"

// Nearest is the word of a list that was probably meant, "" where none is near: few edits away, or the word without some letters.
func Nearest(word string, words []string) string {
	best, distance := "", 2+min(1, len(word)/8)
	for _, w := range words {
		if d := edits(strings.ToLower(word), strings.ToLower(w)); d <= distance && d*2 <= len(word) && (best == "" || d < distance) {
			best, distance = w, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, w := range words {
		if w != "" && word[0] == w[0] && within(word, w) {
			return w
		}
	}
	return ""
}

// within tells whether all letters of a stand in b, in that order.
func within(a, b string) bool {
	for _, r := range a {
		_, rest, ok := strings.Cut(b, string(r))
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

// edits is how many letters must be added, dropped, replaced or swapped to make b from a.
func edits(a, b string) int {
	x, y := []rune(a), []rune(b)
	if len(x)*len(y) > 4096 {
		return len(x) + len(y)
	}
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(x)][len(y)]
}

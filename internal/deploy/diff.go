package deploy

import (
	"fmt"
	"strings"
)

const (
	// around is how many equal lines stand before and after a change.
	around = 3
	// compared bounds the work for two large texts; beyond it they are shown one after the other.
	compared = 4 << 20
)

// edit is one line of a difference: ' ', '-' or '+' and its text.
type edit struct {
	sign byte
	text string
}

// diff is the difference of two texts, line by line, as every reader of patches knows it; "" when there is none.
func diff(before, after string) string {
	if before == after {
		return ""
	}
	edits := edits(lines(before), lines(after))
	shown := make([]bool, len(edits))
	for i, e := range edits {
		if e.sign == ' ' {
			continue
		}
		for j := max(0, i-around); j < min(len(edits), i+around+1); j++ {
			shown[j] = true
		}
	}
	var b strings.Builder
	for i, e := range edits {
		switch {
		case shown[i]:
			fmt.Fprintf(&b, "%c %s\n", e.sign, e.text)
		case i > 0 && shown[i-1]:
			b.WriteString("  …\n")
		}
	}
	return b.String()
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// edits makes the longest common subsequence stay, after the common beginning and end are put aside.
func edits(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append([]edit{{' ', a[len(a)-1]}}, tail...)
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return append(append(head, middle(a, b)...), tail...)
}

func middle(a, b []string) []edit {
	var all []edit
	if len(a)*len(b) > compared {
		for _, line := range a {
			all = append(all, edit{'-', line})
		}
		for _, line := range b {
			all = append(all, edit{'+', line})
		}
		return all
	}
	common := commonLengths(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			all = append(all, edit{' ', a[i]})
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || common[i+1][j] >= common[i][j+1]):
			all = append(all, edit{'-', a[i]})
			i++
		default:
			all = append(all, edit{'+', b[j]})
			j++
		}
	}
	return all
}

// commonLengths has at [i][j] how many lines a[i:] and b[j:] have in common, in their order.
func commonLengths(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	return common
}

package status

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/skiff-dev/skiff/internal/diag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Selector names kinds whose controllers must have spoken before an object of theirs is believed to be ready. Every kind is
// waited for, but one that has no status yet looks as if it had nothing to say.
type Selector struct{ Group, Kind *regexp.Regexp }

// speaksWithin is how long a controller may take to say something of a new object, before its silence is believed.
const speaksWithin = 10 * time.Second

// ReadSelectors reads the file of --status-check-selectors.
func ReadSelectors(file string, data []byte) ([]Selector, error) {
	fault := func(err error) error {
		return &diag.Error{Pos: diag.Pos{File: file}, What: err.Error(), Code: diag.CodeUsage,
			Hint: `write {"selectors":[{"group":"REGEX","kind":"REGEX"}]}`}
	}
	var in struct {
		Selectors []struct{ Group, Kind string }
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fault(err)
	}
	var all []Selector
	for i, s := range in.Selectors {
		group, err := regexp.Compile("^(?:" + s.Group + ")$")
		if err != nil {
			return nil, fault(fmt.Errorf("selector %d: group: %w", i+1, err))
		}
		kind, err := regexp.Compile("^(?:" + s.Kind + ")$")
		if err != nil {
			return nil, fault(fmt.Errorf("selector %d: kind: %w", i+1, err))
		}
		all = append(all, Selector{group, kind})
	}
	return all, nil
}

func selected(all []Selector, gk schema.GroupKind) bool {
	for _, s := range all {
		if s.Group.MatchString(gk.Group) && s.Kind.MatchString(gk.Kind) {
			return true
		}
	}
	return false
}

// silent is true for an object of a selected kind of which its controller has said nothing, for as long as that means anything.
func (it *item) silent() bool {
	if !it.selected || time.Since(it.began) > speaksWithin {
		return false
	}
	status, _, _ := unstructured.NestedMap(it.live.Object, "status")
	return len(status) == 0
}

package filesync

import "sort"

// overlay is what was pushed for one artifact on top of its images.
type overlay struct {
	ops    map[string]entry // by path in the container
	bases  map[string]Seq   // image reference -> how far its content goes
	latest string           // the image that was built last
}

type entry struct {
	op  Op
	seq Seq
}

func (o *overlay) add(ops []Op, seq Seq) {
	for _, op := range ops {
		if old, ok := o.ops[op.Remote]; !ok || old.seq <= seq {
			o.ops[op.Remote] = entry{op, seq}
		}
	}
}

// since is what a container of the image lacks. A reference that is not known (an admission webhook wrote it) counts as
// the latest image if it is current, and else as one that lacks everything: a file too many does no harm, because what is
// sent is always what the working tree has.
func (o *overlay) since(ref string, current bool) []Op {
	base, known := o.bases[ref]
	if !known && current {
		base = o.bases[o.latest]
	}
	var ops []Op
	for _, e := range o.ops {
		if e.seq > base {
			ops = append(ops, e.op)
		}
	}
	sort.Slice(ops, func(i, j int) bool { return ops[i].Remote < ops[j].Remote })
	return ops
}

// forget drops the images that no container runs, and the operations that all others hold.
func (o *overlay) forget(used map[string]bool) {
	if o.latest == "" {
		return
	}
	base := o.bases[o.latest]
	for ref, seq := range o.bases {
		if ref != o.latest && !used[ref] {
			delete(o.bases, ref)
			continue
		}
		base = min(base, seq)
	}
	for ref := range used {
		if _, known := o.bases[ref]; !known {
			return
		}
	}
	for remote, e := range o.ops {
		if e.seq <= base {
			delete(o.ops, remote)
		}
	}
}

//go:build !windows

package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// BenchmarkLoneSave is the time from the end of a save to the batch, at the pace of an impatient user.
func BenchmarkLoneSave(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "app.py")
	write(b, file, "0")
	s := begin(b, Options{}, []Root{{Dir: dir}})
	var took []time.Duration
	pause := time.NewTimer(0)
	for b.Loop() {
		pause.Reset(80 * time.Millisecond)
		<-pause.C
		write(b, file, "1")
		saved := time.Now()
		<-s.out
		took = append(took, time.Since(saved))
	}
	slices.Sort(took)
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), "ms-p50")
	b.ReportMetric(ms(0.9), "ms-p90")
	b.ReportMetric(ms(0.99), "ms-p99")
}

// plantation is 50,000 files in 5,000 folders.
func plantation(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	for i := range 5000 {
		sub := fmt.Sprintf("%s/a%d/b%d", dir, i/100, i)
		mkdir(b, sub)
		for f := range 10 {
			must(b, os.WriteFile(fmt.Sprintf("%s/f%d", sub, f), nil, 0o644))
		}
	}
	return dir
}

func BenchmarkSet(b *testing.B) {
	dir := plantation(b)
	roots := []Root{{Dir: dir, Skip: skipNames(".git", "node_modules")}}
	b.Run("50000 files for the first time", func(b *testing.B) {
		for b.Loop() {
			w, err := New(Options{})
			must(b, err)
			must(b, w.Set(roots, nil))
			b.StopTimer()
			must(b, w.Close())
			b.StartTimer()
		}
	})
	b.Run("50000 files again", func(b *testing.B) {
		w, err := New(Options{})
		must(b, err)
		must(b, w.Set(roots, nil))
		for b.Loop() {
			must(b, w.Set(roots, nil))
		}
		must(b, w.Close())
	})
	b.Run("idle over 50000 files", func(b *testing.B) {
		begin(b, Options{}, roots)
		var cpu int64
		wait := time.NewTimer(0)
		begun := time.Now()
		for b.Loop() {
			before := spent(b)
			wait.Reset(5 * time.Second)
			<-wait.C
			cpu += spent(b) - before
		}
		b.ReportMetric(float64(cpu)/float64(time.Since(begun))*100, "%cpu")
	})
	b.Run("a look at 50000 files by polling", func(b *testing.B) {
		t := &target{path: dir, tree: true}
		for b.Loop() {
			t.scan()
		}
	})
}

func spent(b *testing.B) int64 {
	b.Helper()
	var r syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return r.Utime.Nano() + r.Stime.Nano()
}

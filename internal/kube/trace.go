package kube

import (
	"fmt"
	"net/http"
	"time"
)

// tracer tells of each request: what was asked for, what came back, and how long the first byte took. Bodies and headers stay unsaid:
// they hold secrets.
type tracer struct {
	next http.RoundTripper
	tell func(text string)
}

// RoundTrip is part of http.RoundTripper.
func (t *tracer) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	answer, err := t.next.RoundTrip(r)
	result := "no answer"
	if err == nil {
		result = fmt.Sprint(answer.StatusCode)
	}
	t.tell(fmt.Sprintf("%s %s %s in %d ms", r.Method, r.URL.RequestURI(), result, time.Since(began).Milliseconds()))
	return answer, err
}

// WrappedRoundTripper lets the libraries find the transport below.
func (t *tracer) WrappedRoundTripper() http.RoundTripper { return t.next }

// Command store keeps the names of visitors: in memory, or in a redis when REDIS_ADDR names one.
package main

import (
	"cmp"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
)

// keeper keeps names.
type keeper interface {
	add(name string) error
	all() ([]string, error)
}

func main() {
	var keep keeper = &memory{}
	if address := os.Getenv("REDIS_ADDR"); address != "" {
		keep = redis(address)
	}
	http.HandleFunc("/entries", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != os.Getenv("STORE_TOKEN") {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}
		if err := serve(keep, w, r); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	port := cmp.Or(os.Getenv("PORT"), "8082")
	log.Print("store listens on port " + port)
	log.Fatal(http.ListenAndServe(":"+port, nil))
}

func serve(keep keeper, w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		if err := keep.add(r.FormValue("name")); err != nil {
			return err
		}
		response, err := http.Post(os.Getenv("WEB_URL")+"/told", "", http.NoBody)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	names, err := keep.all()
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(strings.Join(names, "\n")))
	return err
}

// memory forgets when the process ends.
type memory struct {
	mu    sync.Mutex
	names []string
}

func (m *memory) add(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.names = append(m.names, name)
	return nil
}

func (m *memory) all() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.names...), nil
}

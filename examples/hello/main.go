// Command hello answers with a greeting, and serves the static page beside it.
package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"os"
)

const greeting = "Hello from skiff!"

func main() {
	http.Handle("GET /", http.FileServer(http.Dir(cmp.Or(os.Getenv("PAGES"), "www"))))
	http.HandleFunc("GET /hello", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s You are %s.\n", greeting, cmp.Or(r.URL.Query().Get("name"), "nobody"))
	})
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	address := ":" + cmp.Or(os.Getenv("PORT"), "8080")
	log.Printf("listening on %s", address)
	log.Fatal(http.ListenAndServe(address, nil))
}

// Command greeter serves a greeting and the page that was put beside it.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
)

const greeting = "Hello from Go!"

func main() {
	http.Handle("GET /", http.FileServer(http.Dir(os.Getenv("KO_DATA_PATH"))))
	http.HandleFunc("GET /hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, greeting) })
	log.Fatal(http.ListenAndServe(":8080", nil))
}

// Command web shows the guestbook. What visitors write is kept by the service "store".
package main

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<title>{{.Title}}</title>
<h1>{{.Title}}</h1>
<form action="/sign"><input name="name"><button>sign</button></form>
<ul>{{range .Names}}<li>{{.}}{{end}}</ul>
<p>The store has told of {{.Told}} entries.</p>
`))

// told counts what the store has told: it calls back.
var told atomic.Int64

func main() {
	http.HandleFunc("GET /", show)
	http.HandleFunc("GET /sign", sign)
	http.HandleFunc("POST /told", func(http.ResponseWriter, *http.Request) { told.Add(1) })
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	log.Print("web listens on port " + os.Getenv("PORT"))
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}

func show(w http.ResponseWriter, _ *http.Request) {
	title, err := os.ReadFile(os.Getenv("TITLE_FILE"))
	if err == nil {
		var names []string
		if names, err = entries(); err == nil {
			err = page.Execute(w, map[string]any{"Title": strings.TrimSpace(string(title)), "Names": names, "Told": told.Load()})
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
	}
}

func sign(w http.ResponseWriter, r *http.Request) {
	if _, err := call(http.MethodPost, "?name="+url.QueryEscape(r.FormValue("name"))); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	show(w, r)
}

func entries() ([]string, error) {
	text, err := call(http.MethodGet, "")
	return strings.Fields(text), err
}

// call asks the store, by its Service name.
func call(method, query string) (string, error) {
	request, err := http.NewRequest(method, os.Getenv("STORE_URL")+"/entries"+query, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", os.Getenv("STORE_TOKEN"))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, response.Body); err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("store: %s: %s", response.Status, text.String())
	}
	return text.String(), nil
}

// Command href-counter counts where the links of web pages lead: to the page's own site, or elsewhere.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: href-counter URL...")
		os.Exit(2)
	}
	failed := false
	for _, page := range os.Args[1:] {
		counts, err := count(page)
		if err != nil {
			fmt.Fprintln(os.Stderr, "href-counter:", err)
			failed = true
			continue
		}
		line, _ := json.Marshal(counts)
		fmt.Println(string(line))
	}
	if failed {
		os.Exit(1)
	}
}

func count(page string) (Counts, error) {
	base, err := url.Parse(page)
	if err != nil {
		return Counts{}, err
	}
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Get(page)
	if err != nil {
		return Counts{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return Counts{}, fmt.Errorf("%s: %s", page, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return Counts{}, err
	}
	return countLinks(base, string(body)), nil
}

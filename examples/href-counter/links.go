package main

import (
	"html"
	"net/url"
	"regexp"
)

// Counts tells where the links of one page lead.
type Counts struct {
	Page     string `json:"page"`
	Internal int    `json:"internal"`
	External int    `json:"external"`
}

// An opening <a> tag with its href, in double quotes, single quotes or none.
var anchor = regexp.MustCompile(`(?is)<a\s(?:[^>"']|"[^"]*"|'[^']*')*?href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))`)

func countLinks(base *url.URL, page string) Counts {
	counts := Counts{Page: base.String()}
	for _, match := range anchor.FindAllStringSubmatch(page, -1) {
		link, err := base.Parse(html.UnescapeString(match[1] + match[2] + match[3]))
		if err != nil || (link.Scheme != "http" && link.Scheme != "https") {
			continue
		}
		if link.Host == base.Host {
			counts.Internal++
		} else {
			counts.External++
		}
	}
	return counts
}

package demo

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"

	"deadletteroffice/dlq"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("shop").Parse(pageText))

// Status is what the shop tells of itself.
type Status struct {
	Sent     int64   `json:"sent"`
	Settled  int     `json:"settled"` // compensation calls answered
	Console  string  `json:"console,omitempty"`
	Faults   []Fault `json:"faults"`
	Chinese  bool    `json:"-"`
	Language string  `json:"-"`
}

// Handler serves the shop's page, its switches and the compensation endpoint.
//
//	GET  /                     the page
//	GET  /faults               Status as JSON
//	POST /faults/{name}/heal   and /break; name "all" means every fault
//	POST /settle               compensation calls
func (s *Shop) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.status()) // a caller that left needs no answer
	})
	mux.HandleFunc("POST /faults/{name}/{act}", s.turn)
	mux.HandleFunc("POST /settle", s.settle)
	// Browsers of other sites must not switch the shop's faults.
	return http.NewCrossOriginProtection().Handler(mux)
}

func (s *Shop) status() Status {
	s.orders.mu.Lock()
	settled := s.orders.received
	s.orders.mu.Unlock()
	return Status{Sent: s.sent.Load(), Settled: settled, Console: s.opt.ConsoleURL, Faults: s.faults.List()}
}

func (s *Shop) page(w http.ResponseWriter, r *http.Request) {
	status := s.status()
	status.Language = "en"
	if l := r.URL.Query().Get("lang"); l == "zh" || l == "" && strings.HasPrefix(r.Header.Get("Accept-Language"), "zh") {
		status.Chinese, status.Language = true, "zh"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	if err := pageTemplate.Execute(w, status); err != nil {
		s.opt.Logger.Debug("the shop's page was not taken", "error", err)
	}
}

// turn heals or breaks a fault; a form goes back to the page.
func (s *Shop) turn(w http.ResponseWriter, r *http.Request) {
	act := r.PathValue("act")
	if act != "heal" && act != "break" {
		http.Error(w, "heal or break", http.StatusNotFound)
		return
	}
	if err := s.faults.Set(r.PathValue("name"), act == "break"); err != nil {
		status := http.StatusInternalServerError
		if dlq.CodeOf(err) == dlq.CodeNotFound {
			status = http.StatusNotFound
		}
		http.Error(w, err.Error(), status)
		return
	}
	if lang := r.FormValue("lang"); lang != "" {
		http.Redirect(w, r, "/?lang="+map[bool]string{true: "zh", false: "en"}[lang == "zh"], http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

package ui

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	apiBase = "/api/v1"
	anyPath = "/*"
)

// route is one call of the API. Nothing is served that does not stand in the table with a role.
type route struct {
	method    string
	path      string // as echo writes it
	operation string // operationId in openapi.yaml
	role      Role   // what the caller must be
	serve     echo.HandlerFunc
}

func (s *Server) routes() []route {
	api := func(method, path, operation string, role Role, serve echo.HandlerFunc) route {
		return route{method, apiBase + path, operation, role, serve}
	}
	const get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	return []route{
		api(get, "/session", "getSession", RolePublic, s.getSession),
		api(post, "/session", "logIn", RolePublic, s.logIn),
		api(http.MethodDelete, "/session", "logOut", RolePublic, s.logOut),

		api(get, "/sessions", "listSessions", RoleAdmin, read(s, s.listSessions)),
		api(post, "/sessions/:id/end", "endSession", RoleAdmin, write(s, writeTimeout, s.endSession)),
		api(get, "/tokens", "listTokens", RoleAdmin, read(s, s.listTokens)),

		api(get, "/status", "getStatus", RoleViewer, read(s, s.getStatus)),
		api(get, "/summary", "getSummary", RoleViewer, read(s, s.getSummary)),
		api(get, "/facets", "getFacets", RoleViewer, read(s, s.getFacets)),
		api(get, "/letters", "listLetters", RoleViewer, read(s, s.listLetters)),
		api(get, "/letters/:id", "getLetter", RoleViewer, read(s, s.getLetter)),
		api(get, "/letters/:id/body", "getLetterBody", RoleViewer, s.getBody),
		api(get, "/letters/:id/text", "getLetterText", RoleViewer, read(s, s.getBodyText)),
		api(get, "/letters/:id/explain", "explainLetter", RoleViewer, read(s, s.explainLetter)),
		api(get, "/letters/:id/replay-options", "getReplayOptions", RoleViewer, read(s, s.getReplayOptions)),

		api(post, "/letters/:id/replay", "replayLetter", RoleOperator, write(s, writeTimeout, s.replayLetter)),
		api(get, "/letters/:id/edits", "getEdits", RoleViewer, read(s, s.getEdits)),
		api(post, "/letters/:id/edits", "addEdit", RoleOperator, write(s, writeTimeout, s.addEdit)),
		api(post, "/letters/:id/probe", "probeLetter", RoleOperator, write(s, writeTimeout, s.probeLetter)),
		api(post, "/letters/:id/discard", "discardLetter", RoleOperator, act[notedAct](s, Desk.Discard)),
		api(post, "/letters/:id/restore", "restoreLetter", RoleOperator, act[plainAct](s, Desk.Restore)),
		api(post, "/letters/:id/resolve", "resolveLetter", RoleOperator, act[resolve](s, Desk.Resolve)),
		api(post, "/letters/:id/take", "takeLetter", RoleOperator, act[plainAct](s, Desk.Take)),
		api(post, "/letters/:id/release", "releaseLetter", RoleOperator, act[plainAct](s, Desk.Release)),
		api(post, "/letters/:id/snooze", "snoozeLetter", RoleOperator, act[snooze](s, Desk.Snooze)),
		api(post, "/letters/:id/notes", "noteLetter", RoleOperator, act[notedAct](s, Desk.Note)),
		api(post, "/letters/:id/cancel", "cancelLetter", RoleOperator, act[plainAct](s, Desk.Cancel)),
		api(post, "/letters/:id/route", "routeLetter", RoleOperator, act[reroute](s, Desk.Reroute)),
		api(post, "/letters/:id/unquarantine", "unquarantineLetter", RoleOperator, act[notedAct](s, Desk.Unquarantine)),
		api(post, "/letters/actions", "actOnLetters", RoleOperator, write(s, bulkTimeout, s.actOnLetters)),

		api(get, "/operations", "listOperations", RoleViewer, read(s, s.listOperations)),
		api(post, "/operations", "createOperation", RoleOperator, write(s, bulkTimeout, s.createOperation)),
		api(get, "/operations/:id", "getOperation", RoleViewer, read(s, s.getOperation)),
		api(put, "/operations/:id", "changeOperation", RoleOperator, write(s, bulkTimeout, s.changeOperation)),
		api(get, "/operations/:id/items", "listOperationItems", RoleViewer, read(s, s.listOperationItems)),
		api(get, "/operations/:id/history", "getOperationHistory", RoleViewer, read(s, s.getOperationHistory)),
		api(get, "/operations/:id/log", "listOperationEvents", RoleViewer, read(s, s.listOperationEvents)),
		api(post, "/operations/:id/refresh", "refreshOperation", RoleOperator, write(s, bulkTimeout, s.refreshOperation)),
		api(post, "/operations/:id/start", "startOperation", RoleOperator, write(s, bulkTimeout, s.startOperation)),
		api(post, "/operations/:id/pause", "pauseOperation", RoleOperator, write(s, writeTimeout, s.pauseOperation)),
		api(post, "/operations/:id/resume", "resumeOperation", RoleOperator, write(s, writeTimeout, s.resumeOperation)),
		api(post, "/operations/:id/cancel", "cancelOperation", RoleOperator, write(s, bulkTimeout, s.cancelOperation)),
		api(post, "/operations/:id/skip", "skipOperation", RoleOperator, write(s, bulkTimeout, s.skipOperation)),
		api(post, "/operations/:id/pace", "paceOperation", RoleOperator, write(s, writeTimeout, s.paceOperation)),

		api(get, "/automation", "getAutomation", RoleViewer, read(s, s.getAutomation)),
		api(put, "/automation", "setAutomation", RoleAdmin, write(s, writeTimeout, s.setAutomation)),
		api(post, "/file/adopt", "adoptFile", RoleAdmin, write(s, writeTimeout, s.adoptFile)),
		api(get, "/file/backup", "getBackup", RoleAdmin, s.getBackup),
		api(get, "/topics", "listTopics", RoleViewer, read(s, s.listTopics)),
		api(post, "/topics/:topic/repair", "repairTopic", RoleAdmin, write(s, writeTimeout, s.repairTopic)),
		api(get, "/gaps", "listGaps", RoleViewer, read(s, s.listGaps)),
		api(get, "/consumer-groups", "listConsumerGroups", RoleViewer, read(s, s.listConsumerGroups)),
		api(get, "/rules", "getRules", RoleViewer, s.getRules),
		api(put, "/rules", "saveRules", RoleAdmin, write(s, writeTimeout, s.saveRules)),
		api(post, "/rules/check", "checkRules", RoleOperator, read(s, s.checkRules)),
		api(post, "/rules/edit", "editRules", RoleOperator, read(s, s.editRules)),
		api(post, "/rules/backtest", "backtestRules", RoleOperator, s.backtestRules),
		api(get, "/rules/versions", "listRuleVersions", RoleViewer, read(s, s.listRuleVersions)),
		api(get, "/rules/versions/:version", "getRuleVersion", RoleViewer, read(s, s.getRuleVersion)),
		api(get, "/rules/completions", "getRuleCompletions", RoleViewer, read(s, s.getRuleCompletions)),
		api(get, "/rules/schema", "getRulesSchema", RoleViewer, s.getRulesSchema),
		api(get, "/alerts", "getAlerts", RoleViewer, read(s, s.getAlerts)),
		api(get, "/alerts/events", "listAlertEvents", RoleViewer, read(s, s.listAlertEvents)),
		api(get, "/silences", "listSilences", RoleViewer, read(s, s.listSilences)),
		api(post, "/silences", "addSilence", RoleOperator, write(s, writeTimeout, s.addSilence)),
		api(post, "/silences/:id/end", "endSilence", RoleOperator, write(s, writeTimeout, s.endSilence)),
		api(get, "/receivers", "listReceivers", RoleViewer, read(s, s.listReceivers)),
		api(post, "/receivers/:name/test", "testReceiver", RoleOperator, write(s, writeTimeout, s.testReceiver)),
		api(get, "/deliveries", "listDeliveries", RoleViewer, read(s, s.listDeliveries)),
		api(get, "/deliveries/:id", "getDelivery", RoleViewer, read(s, s.getDelivery)),
		api(post, "/deliveries/:id/resend", "resendDelivery", RoleOperator, write(s, writeTimeout, s.resendDelivery)),
		api(post, "/reports", "report", RoleReporter, s.metered(write(s, writeTimeout, s.report))),
		api(get, "/events", "streamEvents", RoleViewer, s.streamEvents),
		api(get, "/openapi.yaml", "getOpenAPI", RolePublic, s.getOpenAPI),

		{get, "/healthz", "healthz", RolePublic, s.healthz},
		{get, "/readyz", "readyz", RolePublic, s.readyz},
		{get, "/metrics", "metrics", RoleViewer, echo.WrapHandler(promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}))},
	}
}

func (s *Server) router() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // forwarding headers are not believed
	e.HTTPErrorHandler = s.fail
	e.Use(s.observe, s.recover, s.secured, s.guard)
	for _, r := range s.routes() {
		e.Add(r.method, r.path, s.admit(r))
	}
	// The page takes what is left, and refuses what is under /api.
	e.GET(anyPath, s.page.serve)
	e.HEAD(anyPath, s.page.serve)
	return e
}

// admit checks the caller's role before a route is served.
func (s *Server) admit(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r.role != RolePublic {
			ctx, err := s.authorize(c, r.role)
			c.SetRequest(c.Request().WithContext(ctx))
			if err != nil {
				return err
			}
		}
		return r.serve(c)
	}
}

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) metrics {
	labels := []string{"method", "route", "code"}
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dlq_http_requests_total",
			Help: "HTTP requests answered, by method, route pattern and class of the status code."}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "dlq_http_request_duration_seconds",
			Help:    "Time to answer an HTTP request; live streams are not counted.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, NativeHistogramBucketFactor: 1.1,
			NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour}, labels),
	}
	if r != nil {
		r.MustRegister(m.requests, m.duration)
	}
	return m
}

const requestIDHeader = "X-Request-Id"

func requestID(c echo.Context) string { return c.Response().Header().Get(requestIDHeader) }

// observe names, counts, times and logs each request. Query strings are not logged: people search for what is secret.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		c.Response().Header().Set(requestIDHeader, givenID(c.Request().Header.Get(requestIDHeader)))
		if err := next(c); err != nil {
			c.Error(err)
		}
		r, status, pattern := c.Request(), c.Response().Status, c.Path()
		if pattern == "" {
			pattern = "none"
		}
		method := r.Method
		switch method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete:
		default:
			method = "other"
		}
		class := strconv.Itoa(status/100) + "xx"
		s.metrics.requests.WithLabelValues(method, pattern, class).Inc()
		if pattern != apiBase+"/events" {
			s.metrics.duration.WithLabelValues(method, pattern, class).Observe(time.Since(began).Seconds())
		}
		s.Logger.Debug("request", "request_id", requestID(c), "method", method, "path", cut(r.URL.Path, 200), "status", status,
			"dur_ms", time.Since(began).Milliseconds(), "actor", actor(r.Context()))
		return nil
	}
}

// givenID takes over the caller's request id if it is harmless, and makes one otherwise.
func givenID(id string) string {
	if id != "" && len(id) <= 64 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == "" {
		return id
	}
	var random [8]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// recover turns a panic of a handler into an internal error, and logs where it was.
func (s *Server) recover(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch r := recover(); r {
			case nil:
			case http.ErrAbortHandler:
				panic(r)
			default:
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return next(c)
	}
}

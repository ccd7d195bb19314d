package ui

import (
	"context"
	"slices"

	"deadletteroffice/dlq"
)

// Role is what a caller may do.
type Role string

// The roles. RolePublic is not given to anybody: routes that need no log-in carry it.
const (
	RolePublic   Role = "public"
	RoleReporter Role = "reporter" // may only report why messages failed
	RoleViewer   Role = "viewer"   // reads
	RoleOperator Role = "operator" // reads, acts on letters, reports
	RoleAdmin    Role = "admin"    // also switches automation, repairs topics, ends log-ins
)

// Roles lists the roles that a token may have, least first.
var Roles = []Role{RoleReporter, RoleViewer, RoleOperator, RoleAdmin}

// May reports whether a caller of this role may use a route that asks for the role need.
func (r Role) May(need Role) bool {
	switch need {
	case RolePublic:
		return true
	case RoleReporter:
		return r == RoleReporter || r == RoleOperator || r == RoleAdmin
	case RoleViewer:
		return r == RoleViewer || r == RoleOperator || r == RoleAdmin
	case RoleOperator:
		return r == RoleOperator || r == RoleAdmin
	case RoleAdmin:
		return r == RoleAdmin
	default:
		return false
	}
}

// caller is who asks. The zero caller is nobody.
type caller struct {
	name    string
	role    Role
	groups  []string // consumer groups that a reporter is bound to
	session string   // id of the log-in; "" without one
}

// localCaller is everybody where no tokens are in use.
var localCaller = caller{name: dlq.ActorLocal, role: RoleAdmin}

func callerOf(t Token) caller { return caller{name: t.Name, role: t.Role, groups: t.ConsumerGroups} }

type callerKey struct{}

func withCaller(ctx context.Context, c caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// actor returns the name under which the caller's acts are recorded.
func actor(ctx context.Context) string {
	return callerIn(ctx).name
}

func callerIn(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// roleOf returns the caller's role; "" for nobody.
func roleOf(ctx context.Context) Role {
	return callerIn(ctx).role
}

// speaksFor reports whether what the caller reports of a consumer group counts as known: whoever may replay its letters, and
// a reporter whose token names it. A reporter whose token names other groups is refused, whether there are such letters or not.
func (c caller) speaksFor(group string) (bool, error) {
	switch {
	case c.role != RoleReporter:
		return true, nil
	case len(c.groups) == 0:
		return false, nil
	case !slices.Contains(c.groups, group):
		return false, dlq.Errorf(dlq.CodeForbidden, "this token does not report for the consumer group %q", cut(group, 255)).
			WithHint("the groups of a token stand in its line of the token file, as consumer-group=NAME")
	}
	return true, nil
}

// maySendAnywhere reports whether the caller may send messages to others than the consumer group at which they died.
func maySendAnywhere(ctx context.Context) bool { return roleOf(ctx).May(RoleAdmin) }

// allow refuses a caller whose role does not reach.
func allow(c caller, need Role) error {
	switch {
	case c.role.May(need):
		return nil
	case c.role == "":
		return dlq.Errorf(dlq.CodeUnauthorized, "this needs a log-in").
			WithHint("send the header \"Authorization: Bearer <token>\", or log in on the page; \"dlq token new\" makes a token")
	default:
		return dlq.Errorf(dlq.CodeForbidden, "the role %s does not allow this; it needs %s", c.role, need).
			WithHint("ask an admin of this console for a token with the role %s", need)
	}
}

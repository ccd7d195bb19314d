package ui

import (
	"bufio"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"

	"deadletteroffice/dlq"
)

// Token is one line of a token file. The token itself is not in it.
type Token struct {
	Name   string
	Role   Role
	SHA256 [sha256.Size]byte // of the token as it is sent

	// ConsumerGroups are those that a reporter may report for; other roles have none. A reporter without them may report for
	// every consumer group, and its reports start nothing by themselves.
	ConsumerGroups []string
	Expires        time.Time // from then on nobody gets in by it; zero for never
}

// TokenPrefix begins every token, so that secret scanners find one that was published by mistake.
const TokenPrefix = "dlq_"

// NewToken makes a token of 256 random bits for what t says, and its line for the token file. The token is shown once and
// stored nowhere: the line holds its SHA-256. A plain hash is enough because a random token cannot be guessed from it.
func NewToken(t Token) (token, line string, err error) {
	if err := checkToken(t); err != nil {
		return "", "", err
	}
	var random [32]byte
	rand.Read(random[:])
	// 43 digits of base 62 hold 256 bits; shorter numbers are filled up so that all tokens have one length.
	digits := new(big.Int).SetBytes(random[:]).Text(62)
	token = TokenPrefix + strings.Repeat("0", tokenDigits-len(digits)) + digits
	line = fmt.Sprintf("%s %s %x", t.Name, t.Role, sha256.Sum256([]byte(token)))
	if !t.Expires.IsZero() {
		line += " expires=" + t.Expires.UTC().Format(time.RFC3339)
	}
	for _, g := range t.ConsumerGroups {
		line += " consumer-group=" + g
	}
	return token, line, nil
}

const (
	tokenDigits = 43
	base62      = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// ofOurForm reports whether a text can be a token that NewToken made: one that nobody guesses.
func ofOurForm(text string) bool {
	digits, ours := strings.CutPrefix(text, TokenPrefix)
	return ours && len(digits) == tokenDigits && strings.Trim(digits, base62) == ""
}

func checkToken(t Token) error {
	name, role := t.Name, t.Role
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-") != "" {
		return dlq.Errorf(dlq.CodeInvalid, "the name %q of a token is not 1 to 64 of the characters A-Z, a-z, 0-9 and . _ @ -", name)
	}
	if slices.Contains([]string{dlq.ActorLocal, dlq.ActorAutomation, dlq.ActorTracker, dlq.ActorIntake, dlq.ActorConsole}, name) {
		return dlq.Errorf(dlq.CodeInvalid, "the name %q is kept for the console itself", name).WithHint("choose another name for the token")
	}
	if !slices.Contains(Roles, role) {
		return dlq.Errorf(dlq.CodeInvalid, "there is no role %q", role).WithHint("the roles are %s", joined(Roles))
	}
	if len(t.ConsumerGroups) > 0 && role != RoleReporter {
		return dlq.Errorf(dlq.CodeInvalid, "a token with the role %s is not bound to consumer groups", role).WithHint("only reporters are")
	}
	for _, g := range t.ConsumerGroups {
		if g == "" || len(g) > 255 || strings.ContainsFunc(g, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			return dlq.Errorf(dlq.CodeInvalid, "%q is not the name of a consumer group", cut(g, 80))
		}
	}
	return nil
}

// ParseTokens reads a token file: a line for each token with name, role and the SHA-256 of the token in hex, separated by
// blanks, and behind them expires=INSTANT and consumer-group=NAME, the latter as often as needed; empty lines and lines
// that begin with # are skipped. Errors are CodeInvalid and name the line. A name may have
// several tokens, so that one can follow another, but only one role.
func ParseTokens(r io.Reader) ([]Token, error) {
	var tokens []Token
	roles := map[string]Role{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		t, err := parseToken(text)
		switch {
		case err != nil:
		case roles[t.Name] != "" && roles[t.Name] != t.Role:
			err = fmt.Errorf("%s already has the role %s", t.Name, roles[t.Name])
		case slices.ContainsFunc(tokens, func(have Token) bool { return have.SHA256 == t.SHA256 }):
			err = fmt.Errorf("the same token stands in an earlier line")
		}
		if err != nil {
			return nil, dlq.Errorf(dlq.CodeInvalid, "token file, line %d: %s", n, err).
				WithHint("a line is: name role sha256 [expires=INSTANT] [consumer-group=NAME]; \"dlq token new NAME --role ROLE\" makes one")
		}
		roles[t.Name] = t.Role
		tokens = append(tokens, t)
	}
	if err := lines.Err(); err != nil {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the token file cannot be read: %w", err)
	}
	return tokens, nil
}

func parseToken(text string) (Token, error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		// The line may hold a token in the clear, so it is not repeated.
		return Token{}, fmt.Errorf("there are %d words instead of three", len(fields))
	}
	t := Token{Name: fields[0], Role: Role(fields[1])}
	for n, more := range fields[3:] {
		name, value, _ := strings.Cut(more, "=")
		switch name {
		case "expires":
			at, err := time.Parse(time.RFC3339, value)
			if err != nil || !t.Expires.IsZero() {
				return Token{}, fmt.Errorf("word %d is not one instant such as expires=2027-01-31T00:00:00Z", n+4)
			}
			t.Expires = at
		case "consumer-group":
			t.ConsumerGroups = append(t.ConsumerGroups, value)
		default:
			return Token{}, fmt.Errorf("word %d is neither expires= nor consumer-group=", n+4)
		}
	}
	if err := checkToken(t); err != nil {
		return Token{}, err
	}
	sum, err := hex.DecodeString(fields[2])
	if err != nil || len(sum) != sha256.Size {
		return Token{}, fmt.Errorf("the third word is not a SHA-256 of 64 hex digits")
	}
	copy(t.SHA256[:], sum)
	return t, nil
}

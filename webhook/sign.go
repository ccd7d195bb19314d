package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"deadletteroffice/dlq"
)

// The headers of Standard Webhooks.
const (
	HeaderID        = "webhook-id"        // the same on every attempt: what the receiver must be idempotent on
	HeaderTimestamp = "webhook-timestamp" // Unix seconds of this attempt
	HeaderSignature = "webhook-signature" // one "v1,<base64>" for each secret, separated by blanks
)

const secretPrefix = "whsec_"

// Secret is one signing key. It prints as *** everywhere.
type Secret struct{ key []byte }

// String hides the key.
func (Secret) String() string { return "***" }

// GoString hides the key from %#v.
func (Secret) GoString() string { return "***" }

// LogValue hides the key from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// ParseSecrets reads one or more secrets, separated by blanks: "whsec_" and the base64 of 24 to 64 bytes, as Standard
// Webhooks has it. While a secret is being changed, the old and the new one stand side by side and each signs. The error
// is CodeInvalid and does not repeat the text.
func ParseSecrets(text string) ([]Secret, error) {
	var secrets []Secret
	for _, word := range strings.Fields(text) {
		encoded, ok := strings.CutPrefix(word, secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < 24 || len(key) > 64 {
			return nil, dlq.Errorf(dlq.CodeInvalid, "a signing secret is whsec_ and the base64 of 24 to 64 random bytes").
				WithHint(`make one with: echo "whsec_$(openssl rand -base64 32)"`)
		}
		secrets = append(secrets, Secret{key})
	}
	if len(secrets) == 0 {
		return nil, dlq.Errorf(dlq.CodeInvalid, "the signing secret is empty")
	}
	return secrets, nil
}

// Sign returns the value of the header webhook-signature: for each secret "v1," and the base64 of the HMAC-SHA256 of
// "<id>.<Unix seconds>.<body>".
func Sign(id string, at time.Time, body []byte, secrets []Secret) string {
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		mac := hmac.New(sha256.New, s.key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

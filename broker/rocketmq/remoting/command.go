package remoting

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"slices"
)

// Version is the protocol version that requests carry unless they name one: V4_5_2, as the Go client sends.
// Brokers change two behaviours by it, the route's JSON and what the ACL signature covers, and newer ones
// refuse requests during shutdown only from versions above 5.3.1.
const Version = 317

const (
	flagAnswer = 1
	flagOneway = 2
)

// Command is one request or answer. Ext holds the header fields of the request code, all as strings. Only Code
// tells success: a Remark may stand on a success too.
type Command struct {
	Code    int
	Version int
	Opaque  int32
	Flag    int
	Remark  string
	Ext     map[string]string
	Body    []byte
}

// Err returns nil for code 0, else a *[ResponseError].
func (c *Command) Err() error {
	if c.Code == AnswerSuccess {
		return nil
	}
	return &ResponseError{Code: c.Code, Remark: c.Remark}
}

// forSending copies the command, so that a request can be reused and shared.
func (c *Command) forSending() *Command {
	out := *c
	out.Ext = maps.Clone(c.Ext)
	if out.Ext == nil {
		out.Ext = map[string]string{}
	}
	out.Flag &^= flagAnswer | flagOneway
	if out.Version == 0 {
		out.Version = Version
	}
	return &out
}

// Credentials are an ACL account. The same signature serves ACL 1.0 (4.x, 5.0 to 5.2) and 2.0 (from 5.3).
type Credentials struct {
	AccessKey     string
	SecretKey     string
	SecurityToken string
}

// String keeps the secret out of logs and error texts.
func (c Credentials) String() string { return "credentials of " + c.AccessKey }

// GoString is String, for %#v.
func (c Credentials) GoString() string { return c.String() }

// uniqueKeyQuery is left out of the signature: 4.9 brokers do not sign it, 5.x ones do not for requests of a
// version up to 399 (apache/rocketmq 5.3.3 DefaultAuthenticationContextBuilder).
const uniqueKeyQuery = "_UNIQUE_KEY_QUERY"

// sign adds AccessKey, SecurityToken and Signature: base64 of HMAC-SHA1 over the values of all header fields in
// the order of their names, then the body (AclUtils.combineRequestContent).
func (c Credentials) sign(cmd *Command) {
	if c.AccessKey == "" {
		return
	}
	delete(cmd.Ext, "Signature")
	cmd.Ext["AccessKey"] = c.AccessKey
	if c.SecurityToken != "" {
		cmd.Ext["SecurityToken"] = c.SecurityToken
	}
	mac := hmac.New(sha1.New, []byte(c.SecretKey))
	for _, name := range slices.Sorted(maps.Keys(cmd.Ext)) {
		if name != uniqueKeyQuery {
			mac.Write([]byte(cmd.Ext[name]))
		}
	}
	mac.Write(cmd.Body)
	cmd.Ext["Signature"] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

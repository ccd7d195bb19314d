package remoting

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// RegisterProducer tells a broker, by a heartbeat, that this connection belongs to a producer of a group. It makes no object
// on the broker and takes part in no rebalancing. It lasts until the connection ends, or 120 s beyond the last one
// (apache/rocketmq ProducerManager). A connection that is registered already keeps the client id that it had.
func (c *Client) RegisterProducer(ctx context.Context, broker, clientID, group string) error {
	body, err := json.Marshal(map[string]any{
		"clientID": clientID, "producerDataSet": []map[string]string{{"groupName": group}}, "consumerDataSet": []string{},
	})
	if err != nil {
		return err
	}
	_, err = c.call(ctx, broker, &Command{Code: RequestHeartbeat, Body: body})
	return err
}

// UnregisterProducer takes back RegisterProducer.
func (c *Client) UnregisterProducer(ctx context.Context, broker, clientID, group string) error {
	_, err := c.call(ctx, broker, &Command{Code: RequestUnregisterClient, Ext: map[string]string{"clientID": clientID, "producerGroup": group}})
	return err
}

// ProducerClient is one connected producer.
type ProducerClient struct {
	ID   string `json:"clientId"`
	Addr string `json:"clientAddr"` // from which the broker sees it
}

// Producers asks a broker for the connected producers of a group; there may be none.
func (c *Client) Producers(ctx context.Context, broker, group string) ([]ProducerClient, error) {
	ans, err := c.call(ctx, broker, &Command{Code: RequestProducerConnection, Ext: map[string]string{"producerGroup": group}}, AnswerSystemError)
	if err != nil {
		return nil, err
	}
	if ans.Code == AnswerSystemError {
		if strings.Contains(ans.Remark, "not exist") {
			return nil, nil
		}
		return nil, fmt.Errorf("request %s: %w", requestName(RequestProducerConnection), ans.Err())
	}
	var body struct {
		Clients []ProducerClient `json:"connectionSet"`
	}
	if err := decodeJSON(ans.Body, &body); err != nil {
		return nil, fmt.Errorf("decode producer connection: %w", err)
	}
	return body.Clients, nil
}

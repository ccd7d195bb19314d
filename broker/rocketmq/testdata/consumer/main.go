// Command consumer is a real push consumer for tests: it prints a line of JSON for each delivery, fails or takes messages as
// the lines "sick" and "well" on its input say, and says that it does. What begins with "bad" it always fails. The end of its input ends it in an orderly way. It is a program of its own because the client library's push consumers have data races.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

func main() {
	names := flag.String("namesrv", "", "name server")
	group := flag.String("group", "", "consumer group")
	topic := flag.String("topic", "", "topic")
	tags := flag.String("tags", "*", "tag expression")
	retries := flag.Int("retries", 1, "limit of retries")
	orderly := flag.Bool("orderly", false, "orderly listener")
	flag.Parse()
	rlog.SetLogLevel("fatal")

	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer(primitive.NamesrvAddr{*names}), consumer.WithGroupName(*group),
		consumer.WithInstance(fmt.Sprintf("%s-%d-%d", *group, os.Getpid(), time.Now().UnixNano())),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
		consumer.WithMaxReconsumeTimes(int32(*retries)), consumer.WithConsumerOrder(*orderly),
	)
	check(err)
	var mu sync.Mutex
	well := false
	out := json.NewEncoder(os.Stdout)
	err = c.Subscribe(*topic, consumer.MessageSelector{Type: consumer.TAG, Expression: *tags}, func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		mu.Lock()
		defer mu.Unlock()
		bad := false
		for _, m := range msgs {
			bad = bad || strings.HasPrefix(string(m.Body), "bad")
			out.Encode(map[string]any{"topic": m.Topic, "attempts": m.ReconsumeTimes, "body": string(m.Body), "properties": m.GetProperties()})
		}
		switch {
		case well && !bad:
			return consumer.ConsumeSuccess, nil
		case *orderly:
			if oc, ok := primitive.GetOrderlyCtx(ctx); ok {
				oc.SuspendCurrentQueueTimeMillis = 300
			}
			return consumer.SuspendCurrentQueueAMoment, nil
		}
		return consumer.ConsumeRetryLater, nil
	})
	check(err)
	check(c.Start())
	fmt.Println(`{"started":true}`)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		mu.Lock()
		well = in.Text() == "well"
		fmt.Println(`{"heeds":true}`)
		mu.Unlock()
	}
	check(c.Shutdown())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

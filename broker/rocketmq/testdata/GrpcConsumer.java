import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collections;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.apis.ClientConfiguration;
import org.apache.rocketmq.client.apis.ClientException;
import org.apache.rocketmq.client.apis.ClientServiceProvider;
import org.apache.rocketmq.client.apis.consumer.ConsumeResult;
import org.apache.rocketmq.client.apis.consumer.FilterExpression;
import org.apache.rocketmq.client.apis.consumer.SimpleConsumer;
import org.apache.rocketmq.client.apis.message.MessageView;

/**
 * A real consumer of the Java gRPC client for tests, with the lines and the output of the Go one beside it.
 * Arguments: address of the proxy, consumer group, topic, "push" or "simple". Whether a push consumer's group is a FIFO one
 * is the broker's to say.
 */
public class GrpcConsumer {
    static volatile boolean well;

    public static void main(String[] args) {
        try {
            run(args);
            System.exit(0);
        } catch (Throwable t) { // else the client's threads would keep the process alive
            t.printStackTrace();
            System.exit(1);
        }
    }

    static void run(String[] args) throws Exception {
        ClientServiceProvider provider = ClientServiceProvider.loadService();
        ClientConfiguration client = ClientConfiguration.newBuilder().setEndpoints(args[0]).enableSsl(false).build();
        Map<String, FilterExpression> topics = Collections.singletonMap(args[2], FilterExpression.SUB_ALL);
        AutoCloseable consumer = start(provider, client, topics, args);
        System.out.println("{\"started\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            well = line.equals("well");
            System.out.println("{\"heeds\":true}");
        }
        consumer.close();
    }

    /** start tries for a minute: the client gives up when the proxy is not ready within three seconds. */
    static AutoCloseable start(ClientServiceProvider provider, ClientConfiguration client, Map<String, FilterExpression> topics, String[] args)
        throws Exception {
        long end = System.currentTimeMillis() + 60_000;
        while (true) {
            try {
                if (args[3].equals("simple")) {
                    SimpleConsumer c = provider.newSimpleConsumerBuilder().setClientConfiguration(client).setConsumerGroup(args[1])
                        .setSubscriptionExpressions(topics).setAwaitDuration(Duration.ofSeconds(5)).build();
                    Thread t = new Thread(() -> poll(c));
                    t.setDaemon(true);
                    t.start();
                    return c;
                }
                return provider.newPushConsumerBuilder().setClientConfiguration(client).setConsumerGroup(args[1])
                    .setSubscriptionExpressions(topics).setMessageListener(m -> {
                        print(m);
                        work(m);
                        return well ? ConsumeResult.SUCCESS : ConsumeResult.FAILURE;
                    }).build();
            } catch (ClientException | IllegalStateException e) {
                if (System.currentTimeMillis() > end) {
                    throw e;
                }
                System.err.println("not started: " + e);
                Thread.sleep(1000);
            }
        }
    }

    /** poll receives for ever; what is not acknowledged comes back when its invisible time is over, 10 s at the least. */
    static void poll(SimpleConsumer c) {
        while (true) {
            try {
                for (MessageView m : c.receive(16, Duration.ofSeconds(10))) {
                    print(m);
                    if (well) {
                        c.ack(m);
                    }
                }
            } catch (ClientException e) {
                System.err.println(e);
            } catch (IllegalStateException closed) {
                return;
            }
        }
    }

    /** work takes its time with what begins with "slow", as in "slow 3": seconds. */
    static void work(MessageView m) {
        String body = StandardCharsets.UTF_8.decode(m.getBody()).toString();
        if (well && body.startsWith("slow")) {
            LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(Long.parseLong(body.substring(5))));
        }
    }

    static synchronized void print(MessageView m) {
        System.out.println("{\"topic\":\"" + m.getTopic() + "\",\"attempts\":" + (m.getDeliveryAttempt() - 1)
            + ",\"body\":\"" + StandardCharsets.UTF_8.decode(m.getBody()) + "\",\"properties\":{\"UNIQ_KEY\":\"" + m.getMessageId()
            + "\",\"DLQ_REPLAY_ID\":\"" + m.getProperties().getOrDefault("DLQ_REPLAY_ID", "") + "\"}}");
    }
}

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyContext;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A real push consumer of the Java client for tests, with the lines and the output of the Go one beside it. What begins with
 * "bad" it always fails; what begins with "throw" it throws an exception about, "null" makes it return nothing, and
 * "slow 3" makes it take three seconds.
 * Arguments: name server, consumer group, topic, "concurrent", "orderly" or "pop"; and how many threads, if not as usual.
 */
public class Consumer {
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
        DefaultMQPushConsumer c = null;
        for (int left = 5; c == null; left--) {
            DefaultMQPushConsumer next = prepare(args);
            try {
                next.start();
                c = next;
            } catch (IllegalStateException e) { // on a busy machine a request to the name server fails now and then
                next.shutdown();
                if (left == 1) {
                    throw e;
                }
            }
        }
        System.out.println("{\"started\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            well = line.equals("well");
            System.out.println("{\"heeds\":true}");
        }
        c.shutdown();
    }

    static DefaultMQPushConsumer prepare(String[] args) throws Exception {
        DefaultMQPushConsumer c = new DefaultMQPushConsumer(args[1]);
        c.setNamesrvAddr(args[0]);
        c.setInstanceName(args[1] + "-" + System.nanoTime());
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setMaxReconsumeTimes(1);
        c.setConsumeMessageBatchMaxSize(1);
        c.setSuspendCurrentQueueTimeMillis(300);
        if (args.length > 4) {
            c.setConsumeThreadMin(Integer.parseInt(args[4]));
            c.setConsumeThreadMax(Integer.parseInt(args[4]));
        }
        c.subscribe(args[2], "*");
        if (args[3].equals("pop")) { // absent from 4.9
            DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(c, false);
        }
        if (args[3].equals("orderly")) {
            c.registerMessageListener(new MessageListenerOrderly() {
                public ConsumeOrderlyStatus consumeMessage(List<MessageExt> msgs, ConsumeOrderlyContext ctx) {
                    print(msgs);
                    if (text(msgs).startsWith("null")) {
                        return null;
                    }
                    return takes(msgs) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
            });
        } else {
            c.registerMessageListener(new MessageListenerConcurrently() {
                public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> msgs, ConsumeConcurrentlyContext ctx) {
                    print(msgs);
                    if (text(msgs).startsWith("null")) {
                        return null;
                    }
                    return takes(msgs) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            });
        }
        return c;
    }

    static String text(List<MessageExt> msgs) {
        byte[] body = msgs.get(0).getBody();
        return body == null ? "" : new String(body, StandardCharsets.UTF_8);
    }

    static boolean takes(List<MessageExt> msgs) {
        if (text(msgs).startsWith("slow")) { // as in "slow 3": seconds
            LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(Long.parseLong(text(msgs).substring(5))));
        }
        if (text(msgs).startsWith("throw")) {
            throw new IllegalStateException("no stock: \u5e93\u5b58\u4e0d\u8db3");
        }
        return well && !text(msgs).startsWith("bad");
    }

    static synchronized void print(List<MessageExt> msgs) {
        for (MessageExt m : msgs) {
            byte[] body = m.getBody() == null ? new byte[0] : m.getBody();
            java.util.zip.CRC32 crc = new java.util.zip.CRC32();
            crc.update(body, 0, body.length);
            StringBuilder line = new StringBuilder("{\"topic\":\"" + m.getTopic() + "\",\"attempts\":" + m.getReconsumeTimes() + ",\"properties\":{");
            for (String name : new String[] {"UNIQ_KEY", "DLQ_REPLAY_ID", "TAGS", "sw8"}) {
                String value = m.getProperty(name);
                line.append(quote(name) + ":" + quote(value == null ? "" : value) + ",");
            }
            System.out.println(line + "\"BODY\":\"" + body.length + " bytes, CRC " + crc.getValue() + ", flag " + m.getSysFlag() + "\"}}");
        }
    }

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            b.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        return b.append('"').toString();
    }
}

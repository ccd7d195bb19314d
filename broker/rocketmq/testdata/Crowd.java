import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageClientExt;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Many push consumers of the Java client in one process, for tests that need several consumer groups; else like Consumer
 * beside it. Each group is one retry away from the DLQ.
 *
 * Arguments: name server, topic, then GROUP:KIND for each group, where KIND is "concurrent", "orderly" or "pop". Lines that
 * it heeds: "sick" (fail everything), "well" (take everything), "some" (fail what has the property BAD), each with or without
 * a group behind it, "stop GROUP" and "start GROUP". A delivery has its group as the property GROUP, and the id of the stored
 * copy as OFFSET_ID.
 */
public class Crowd {
    static final Map<String, String> moods = new ConcurrentHashMap<>();
    static final PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16), false);

    public static void main(String[] args) throws Exception {
        Map<String, DefaultMQPushConsumer> running = new ConcurrentHashMap<>();
        Map<String, String> kinds = new ConcurrentHashMap<>();
        for (int i = 2; i < args.length; i++) {
            String[] part = args[i].split(":");
            kinds.put(part[0], part[1]);
            running.put(part[0], start(args[0], args[1], part[0], part[1]));
        }
        say("{\"started\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] word = line.split(" ");
            if (word[0].equals("stop")) {
                running.remove(word[1]).shutdown();
            } else if (word[0].equals("start")) {
                running.put(word[1], start(args[0], args[1], word[1], kinds.get(word[1])));
            } else {
                for (String group : word.length > 1 ? Collections.singleton(word[1]) : kinds.keySet()) {
                    moods.put(group, word[0]);
                }
            }
            say("{\"heeds\":true}");
        }
        for (DefaultMQPushConsumer c : running.values()) {
            c.shutdown();
        }
        System.exit(0);
    }

    static DefaultMQPushConsumer start(String names, String topic, String group, String kind) throws Exception {
        for (int left = 5;; left--) {
            DefaultMQPushConsumer c = prepare(names, topic, group, kind);
            try {
                c.start();
                return c;
            } catch (IllegalStateException e) { // on a busy machine a request to the name server fails now and then
                c.shutdown();
                if (left == 1) {
                    throw e;
                }
            }
        }
    }

    static DefaultMQPushConsumer prepare(String names, String topic, String group, String kind) throws Exception {
        DefaultMQPushConsumer c = new DefaultMQPushConsumer(group);
        c.setNamesrvAddr(names);
        c.setInstanceName(group + "-" + System.nanoTime());
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setMaxReconsumeTimes(1);
        c.setConsumeMessageBatchMaxSize(1);
        c.setSuspendCurrentQueueTimeMillis(300);
        c.subscribe(topic, "*");
        if (kind.equals("pop")) { // absent from 4.9
            DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(c, false);
        }
        if (kind.equals("orderly")) {
            c.registerMessageListener((MessageListenerOrderly) (msgs, ctx) ->
                take(group, msgs) ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT);
        } else {
            c.registerMessageListener((MessageListenerConcurrently) (msgs, ctx) ->
                take(group, msgs) ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER);
        }
        return c;
    }

    /** take prints the deliveries and tells whether they are taken. */
    static boolean take(String group, List<MessageExt> msgs) {
        String mood = moods.getOrDefault(group, "sick");
        boolean taken = true;
        for (MessageExt m : msgs) {
            say("{\"topic\":\"" + m.getTopic() + "\",\"attempts\":" + m.getReconsumeTimes() + ",\"properties\":{\"GROUP\":\"" + group
                + "\",\"OFFSET_ID\":\"" + (m instanceof MessageClientExt ? ((MessageClientExt) m).getOffsetMsgId() : m.getMsgId())
                + "\",\"UNIQ_KEY\":\"" + text(m, "UNIQ_KEY") + "\",\"KEYS\":\"" + text(m, "KEYS") + "\",\"DLQ_REPLAY_ID\":\"" + text(m, "DLQ_REPLAY_ID")
                + "\",\"DELAY\":\"" + text(m, "DELAY") + "\"}}");
            taken &= mood.equals("well") || mood.equals("some") && m.getProperty("BAD") == null;
        }
        return taken;
    }

    static String text(MessageExt m, String property) {
        String value = m.getProperty(property);
        return value == null ? "" : value;
    }

    static void say(String line) {
        synchronized (out) {
            out.println(line);
            out.flush();
        }
    }
}

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
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
 * A real push consumer of the Java client for tests, with the lines and the output of the Go one beside it.
 * Arguments: name server, consumer group, topic, "concurrent", "orderly" or "pop".
 */
public class Consumer {
    static volatile boolean well;

    public static void main(String[] args) throws Exception {
        DefaultMQPushConsumer c = new DefaultMQPushConsumer(args[1]);
        c.setNamesrvAddr(args[0]);
        c.setInstanceName(args[1] + "-" + System.nanoTime());
        c.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        c.setMaxReconsumeTimes(1);
        c.setConsumeMessageBatchMaxSize(1);
        c.setSuspendCurrentQueueTimeMillis(300);
        c.subscribe(args[2], "*");
        if (args[3].equals("pop")) { // absent from 4.9
            DefaultMQPushConsumer.class.getMethod("setClientRebalance", boolean.class).invoke(c, false);
        }
        if (args[3].equals("orderly")) {
            c.registerMessageListener(new MessageListenerOrderly() {
                public ConsumeOrderlyStatus consumeMessage(List<MessageExt> msgs, ConsumeOrderlyContext ctx) {
                    print(msgs);
                    return well ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                }
            });
        } else {
            c.registerMessageListener(new MessageListenerConcurrently() {
                public ConsumeConcurrentlyStatus consumeMessage(List<MessageExt> msgs, ConsumeConcurrentlyContext ctx) {
                    print(msgs);
                    return well ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            });
        }
        c.start();
        System.out.println("{\"started\":true}");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            well = line.equals("well");
            System.out.println("{\"heeds\":true}");
        }
        c.shutdown();
        System.exit(0);
    }

    static synchronized void print(List<MessageExt> msgs) {
        for (MessageExt m : msgs) {
            String id = m.getUserProperty("DLQ_REPLAY_ID");
            System.out.println("{\"topic\":\"" + m.getTopic() + "\",\"attempts\":" + m.getReconsumeTimes()
                + ",\"properties\":{\"UNIQ_KEY\":\"" + m.getProperty("UNIQ_KEY") + "\",\"DLQ_REPLAY_ID\":\"" + (id == null ? "" : id) + "\"}}");
        }
    }
}

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A transaction by transaction.version 2, then the way back to 0, then another one by the same producer: what comes of its calls. */
public class Downgrade {
    interface Call {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("transactional.id", "java");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings); Admin admin = Admin.create(settings)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(arguments[1], "java")).get();
            producer.commitTransaction();
            FeatureUpdate down = new FeatureUpdate((short) 0, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE);
            admin.updateFeatures(Map.of("transaction.version", down), new UpdateFeaturesOptions()).all().get();
            tell("begin", producer::beginTransaction);
            tell("send", () -> producer.send(new ProducerRecord<>(arguments[1], "too new")).get());
            tell("abort", producer::abortTransaction);
        }
    }

    static void tell(String name, Call call) {
        try {
            call.run();
            System.out.println(name + " ok");
        } catch (Exception error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            System.out.println(name + " " + cause.getClass().getSimpleName());
        }
    }
}

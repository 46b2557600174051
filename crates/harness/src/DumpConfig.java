// Java's producer settings, one a line: name, type, default, valid values, importance. A default is "required" (there is none),
// "null" or "=VALUE"; valid values may be "-". Tabs and line ends within a field become spaces.

import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;

public class DumpConfig {
    public static void main(String[] arguments) {
        for (Map.Entry<String, ConfigDef.ConfigKey> entry : new TreeMap<>(ProducerConfig.configDef().configKeys()).entrySet()) {
            ConfigDef.ConfigKey key = entry.getValue();
            String standard = "required";
            if (key.hasDefault())
                standard = key.defaultValue == null ? "null" : "=" + ConfigDef.convertToString(key.defaultValue, key.type);
            String valid = key.validator == null ? "-" : key.validator.toString();
            String line = String.join("\u0000", key.name, key.type.toString(), standard, valid, key.importance.toString());
            System.out.println(line.replaceAll("\\s+", " ").replace('\u0000', '\t'));
        }
    }
}

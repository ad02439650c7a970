// Reads JTL files and test plans with JMeter's own classes and prints what JMeter made of them.
//
//   java … ReadByJMeter jtl FILE…   each sample, then each row of the Aggregate Report as its window shows it
//   java … ReadByJMeter plan FILE…  each element of the plan: class, name, number of threads or loops or delay
//
// Debian's JMeter 2.13 meets an XStream (1.4.20) that refuses every class unless told otherwise, so its GUI
// can open neither plan nor XML results. Here it is told otherwise; the parsers are JMeter's own.

import com.thoughtworks.xstream.XStream;
import java.io.BufferedInputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.InputStream;
import java.lang.reflect.Field;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.jmeter.reporters.ResultCollector;
import org.apache.jmeter.reporters.ResultCollectorHelper;
import org.apache.jmeter.samplers.SampleResult;
import org.apache.jmeter.save.CSVSaveService;
import org.apache.jmeter.save.SaveService;
import org.apache.jmeter.testelement.TestElement;
import org.apache.jmeter.util.JMeterUtils;
import org.apache.jmeter.visualizers.SamplingStatCalculator;
import org.apache.jmeter.visualizers.Visualizer;
import org.apache.jorphan.collections.HashTree;
import org.apache.jorphan.gui.NumberRenderer;
import org.apache.jorphan.gui.RateRenderer;

public class ReadByJMeter {
    public static void main(String[] arguments) throws Exception {
        System.setProperty("java.awt.headless", "true");
        String home = System.getProperty("jmeter.home", "/usr/share/jmeter");
        JMeterUtils.loadJMeterProperties(home + "/bin/jmeter.properties");
        JMeterUtils.setJMeterHome(home);
        JMeterUtils.initLocale();
        allowAll("JMXSAVER");
        allowAll("JTLSAVER");
        for (int i = 1; i < arguments.length; i++) {
            if (arguments[0].equals("plan")) {
                plan(arguments[i]);
            } else {
                results(arguments[i]);
            }
        }
    }

    private static void allowAll(String name) throws Exception {
        Field field = SaveService.class.getDeclaredField(name);
        field.setAccessible(true);
        ((XStream) field.get(null)).allowTypesByWildcard(new String[] {"**"});
    }

    private static void results(String file) throws Exception {
        final Map<String, SamplingStatCalculator> rows = new LinkedHashMap<>();
        final SamplingStatCalculator total = new SamplingStatCalculator("TOTAL");
        Visualizer eye = new Visualizer() {
            public void add(SampleResult sample) {
                System.out.println(String.join("\t", "sample", "" + sample.getTimeStamp(), "" + sample.getStartTime(),
                    "" + sample.getEndTime(), "" + sample.getTime(), "" + sample.getLatency(),
                    "" + sample.getConnectTime(), "" + sample.isSuccessful(), sample.getResponseCode(),
                    sample.getResponseMessage(), sample.getThreadName(), "" + call(sample, "getBytesAsLong", sample.getBytes()),
                    "" + sample.getGroupThreads(), "" + sample.getAllThreads(), sample.getSampleLabel()));
                SamplingStatCalculator row = rows.get(sample.getSampleLabel());
                if (row == null) {
                    row = new SamplingStatCalculator(sample.getSampleLabel());
                    rows.put(sample.getSampleLabel(), row);
                }
                row.addSample(sample);
                total.addSample(sample);
            }

            public boolean isStats() {
                return true;
            }
        };
        System.out.println("file\t" + file);
        if (file.endsWith(".xml")) {
            ResultCollectorHelper helper = new ResultCollectorHelper(new ResultCollector(), eye);
            try (InputStream stream = new BufferedInputStream(new FileInputStream(file))) {
                SaveService.loadTestResults(stream, helper);
            }
        } else {
            CSVSaveService.processSamples(file, eye, new ResultCollector());
        }
        rows.put("TOTAL", total);
        for (SamplingStatCalculator row : rows.values()) {
            System.out.println(String.join("\t", "row", row.getLabel(), "" + row.getCount(), "" + row.getMeanAsNumber(),
                "" + row.getMedian(), "" + row.getPercentPoint(0.9f), "" + row.getPercentPoint(0.95f),
                "" + row.getPercentPoint(0.99f), "" + row.getMin(), "" + row.getMax(),
                shown(new NumberRenderer("#0.00%"), row.getErrorPercentage()), shown(new RateRenderer("#.0"), row.getRate()),
                shown(new NumberRenderer("#0.00"), row.getKBPerSecond()),
                shown(new NumberRenderer("#0.00"), (Double) call(row, "getSentKBPerSecond", 0.0))));
        }
    }

    private static String shown(NumberRenderer renderer, Double value) {
        renderer.setValue(value);
        return renderer.getText();
    }

    private static void plan(String file) throws Exception {
        System.out.println("file\t" + file);
        elements(loaded(file), "");
    }

    // JMeter 2.13 takes a stream, 5.x a file.
    private static HashTree loaded(String file) throws Exception {
        try {
            return (HashTree) SaveService.class.getMethod("loadTree", File.class).invoke(null, new File(file));
        } catch (NoSuchMethodException old) {
            try (InputStream stream = new FileInputStream(file)) {
                return (HashTree) SaveService.class.getMethod("loadTree", InputStream.class).invoke(null, stream);
            }
        }
    }

    // JMeter 3.1 and later count the bytes sent.
    private static Object call(Object of, String method, Object otherwise) {
        try {
            return of.getClass().getMethod(method).invoke(of);
        } catch (ReflectiveOperationException old) {
            return otherwise;
        }
    }

    private static void elements(HashTree tree, String indent) {
        for (Object found : tree.list()) {
            TestElement element = (TestElement) found;
            System.out.println(indent + element.getClass().getSimpleName() + "\t" + element.getName() + "\t"
                + element.getPropertyAsString("ThreadGroup.num_threads") + element.getPropertyAsString("ConstantTimer.delay"));
            elements(tree.getTree(found), indent + "  ");
        }
    }
}
